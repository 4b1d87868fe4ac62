package classes

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/portage-kafka/portage/cluster/batch"
)

// Golden is a page of a real source and what a copier makes of it.
type Golden struct {
	Scene   string `json:"scene"`
	About   string `json:"about"`
	Version string `json:"version"` // of the source
	Page    Page   `json:"page"`
	Result
}

// Page is the answer to one read-committed fetch of a partition, and what a copier needs to know besides.
type Page struct {
	From          int64           `json:"from"` // offset asked for
	LogStart      int64           `json:"log_start"`
	HighWatermark int64           `json:"high_watermark"`
	LastStable    int64           `json:"last_stable"`
	Aborted       []batch.Aborted `json:"aborted,omitempty"`
	Limits
	// Records is what the broker sent; in the file it stands batch by batch, with a truncated rest.
	Records []byte `json:"-"`
}

// Limits are those of the target and of merging.
type Limits struct {
	// MaxBytes is the target's max.message.bytes; 0: none.
	MaxBytes int `json:"max_bytes,omitempty"`
	// Batches of at most MergeBelow bytes are merged into batches of about MergeUpTo bytes; 0: none are.
	MergeBelow int `json:"merge_below,omitempty"`
	MergeUpTo  int `json:"merge_up_to,omitempty"`
}

// Hex are bytes that stand in JSON in hexadecimal.
type Hex []byte

// MarshalText is encoding.TextMarshaler.
func (h Hex) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h), nil }

// UnmarshalText is encoding.TextUnmarshaler.
func (h *Hex) UnmarshalText(text []byte) (err error) {
	*h, err = hex.AppendDecode(nil, text)
	return err
}

// Load reads all goldens of a folder, by file name without its ending.
func Load(dir string) (map[string]Golden, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	all := make(map[string]Golden, len(files))
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var g Golden
		if err := json.Unmarshal(raw, &g); err != nil {
			return nil, fmt.Errorf("golden %s: %w", file, err)
		}
		for _, b := range g.Batches {
			g.Page.Records = append(g.Page.Records, b.Raw...)
		}
		g.Page.Records = append(g.Page.Records, g.Rest...)
		all[g.Name()] = g
	}
	return all, nil
}

// Name is the file's name without its ending.
func (g Golden) Name() string { return fmt.Sprintf("%s@%s", g.Scene, g.Version) }

// Text is the golden as it stands in its file.
func (g Golden) Text() (string, error) {
	raw, err := json.MarshalIndent(g, "", " ")
	return string(raw) + "\n", err
}

// Save writes the golden into a folder.
func (g Golden) Save(dir string) error {
	text, err := g.Text()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, g.Name()+".json"), []byte(text), 0o644)
}
