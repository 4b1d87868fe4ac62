package main

import "github.com/spf13/cobra"

// verbs are all commands by the group under which help lists them.
func verbs(a *app) map[string][]*cobra.Command {
	return map[string][]*cobra.Command{
		"prepare":   {initVerb(a), doctorVerb(a), planVerb(a), preflightVerb(a), createVerb(a)},
		"run":       {startVerb(a), pauseVerb(a), resumeVerb(a), retryVerb(a), acceptLossVerb(a), recopyVerb(a), throttleVerb(a), cancelVerb(a), completeVerb(a)},
		"move":      {switchVerb(a), abortVerb(a), approveVerb(a)},
		"look":      {statusVerb(a), getVerb(a), whyVerb(a), historyVerb(a), eventsVerb(a), translateVerb(a), verifyVerb(a)},
		"audit":     {replayVerb(a)},
		"processes": {serveVerb(a), workVerb(a), demoVerb(a)},
		"about":     {versionVerb(a)},
	}
}
