package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/projector"
)

// version is the release; a build from a tagged module has its tag.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "0.1.0-dev"
}

func versionVerb(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Show the versions of portage and of its formats", Args: exactly(0),
		RunE: func(*cobra.Command, []string) error {
			v := struct {
				Version  string `json:"version"`
				Machines int    `json:"machines"`
				Store    int    `json:"store"`
				Go       string `json:"go"`
			}{version(), fsm.Version, projector.Layout, runtime.Version()}
			t := &table{value: v}
			t.add("portage", v.Version)
			t.add("state machines", fmt.Sprint(v.Machines))
			t.add("store format", fmt.Sprint(v.Store))
			t.add("go", v.Go)
			return a.print(t)
		},
	}
}
