package workload

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTopicsTakeTurns(t *testing.T) {
	g, _ := generator(t, GeneratorConfig{Topics: []string{"a", "b"}})
	for i := range 6 {
		r := g.Next(time.Now())
		require.Equal(t, []string{"a", "b"}[i%2], r.Topic)
		require.EqualValues(t, i/2, r.ID.Seq, "numbers are per topic")
		require.Nil(t, r.Key)
	}
}

func TestEqualSeedsGiveEqualRecords(t *testing.T) {
	cfg := GeneratorConfig{Keys: 5, MaxBytes: 300, Headers: 3, Seed: 9}
	a, _ := generator(t, cfg)
	b, _ := generator(t, cfg)
	cfg.Seed = 10
	c, _ := generator(t, cfg)
	now, differs := time.Now(), false
	for range 50 {
		r := a.Next(now)
		require.Equal(t, r, b.Next(now))
		differs = differs || c.Next(now).ID != r.ID
	}
	require.True(t, differs)
}

// numbers draws n records and returns their numbers; with one key they should count up.
func numbers(g *Generator, n int) (seqs []int64) {
	for range n {
		seqs = append(seqs, g.Next(time.Now()).ID.Seq)
	}
	return seqs
}

func TestGeneratorPlants(t *testing.T) {
	plain := GeneratorConfig{Keys: 1, PlantAt: 3}
	for plant, want := range map[Plant][]int64{
		PlantNone:      {0, 1, 2, 3, 4},
		PlantDuplicate: {0, 1, 2, 2, 3},
		PlantReorder:   {0, 1, 3, 2, 4},
		PlantLoss:      {0, 1, 3, 4, 5},
	} {
		cfg := plain
		cfg.Plant = plant
		g, journal := generator(t, cfg)
		require.Equal(t, want, numbers(g, 5), plant)
		entries, err := ReadEntries(journal)
		require.NoError(t, err)
		if plant != PlantLoss {
			require.Empty(t, entries, plant)
			continue
		}
		require.Len(t, entries, 1)
		require.Equal(t, KindSent, entries[0].Kind)
		require.EqualValues(t, 2, entries[0].Seq)
		require.EqualValues(t, -1, entries[0].Offset)
	}
}

func TestReorderPlantSwapsOneKey(t *testing.T) {
	g, _ := generator(t, GeneratorConfig{Keys: 50, Topics: []string{"a", "b"}, Plant: PlantReorder})
	last, swapped := map[lane]int64{}, 0
	for range 300 {
		r := g.Next(time.Now())
		l := lane{r.Topic, r.ID.Key}
		if before, ok := last[l]; ok && r.ID.Seq < before {
			swapped++
		}
		last[l] = r.ID.Seq
	}
	require.Equal(t, 1, swapped)
}

func TestGeneratorConfig(t *testing.T) {
	good := GeneratorConfig{Run: "r", Producer: "p", Topics: []string{"t"}, Journal: NewJournal(nil), Keys: 1}
	require.NoError(t, good.Validate())
	for field, spoil := range map[string]func(*GeneratorConfig){
		"Run is":           func(c *GeneratorConfig) { c.Run = "" },
		"Producer":         func(c *GeneratorConfig) { c.Producer = "" },
		"Topics is empty":  func(c *GeneratorConfig) { c.Topics = nil },
		"Journal is nil":   func(c *GeneratorConfig) { c.Journal = nil },
		"MaxBytes is 5":    func(c *GeneratorConfig) { c.MinBytes, c.MaxBytes = 6, 5 },
		"never negative":   func(c *GeneratorConfig) { c.Headers = -1 },
		"need keys":        func(c *GeneratorConfig) { c.Keys, c.Tombstones = 0, 2 },
		"reorder plant":    func(c *GeneratorConfig) { c.Keys, c.Plant = 0, PlantReorder },
		"Plant is reproce": func(c *GeneratorConfig) { c.Plant = PlantReprocess },
	} {
		c := good
		spoil(&c)
		_, err := NewGenerator(c)
		require.ErrorIs(t, err, ErrConfig, field)
		require.ErrorContains(t, err, field)
	}
}
