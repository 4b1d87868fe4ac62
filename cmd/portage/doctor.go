package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/commands/plan"
	"github.com/portage-kafka/portage/events/log"
)

// diagnosis is what doctor found on one cluster.
type diagnosis struct {
	Cluster string `json:"cluster"`
	ID      string `json:"id,omitempty"`
	Brokers int    `json:"brokers"`
	Role    string `json:"role,omitempty"`
	Problem string `json:"problem,omitempty"`
	// Rights are the tests of what portage may do there; empty when it could not
	// be asked.
	Rights []right `json:"rights"`
}

// checkup is all that doctor found.
type checkup struct {
	Clusters   []diagnosis `json:"clusters"`
	Privileges []privilege `json:"privileges"`
}

func doctorVerb(a *app) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "doctor", Short: "Check that every cluster answers, that the control topics are fit, and what portage is allowed to do", Args: exactly(0),
		Long: "Check that every cluster answers, that the control topics are fit, and what portage is allowed to do; list the least privileges. Nothing is changed.\nWith a plan the rights on its topics and groups are tested, too.",
		RunE: a.within(func(ctx context.Context, _ []string) error {
			p, err := planOf(file)
			if err != nil {
				return err
			}
			found, err := a.checkup(ctx, p)
			if found == nil {
				return err
			}
			if perr := a.printCheckup(found, p != nil); perr != nil {
				return perr
			}
			if err != nil {
				return &codedError{exitCode(err), errSilent}
			}
			return nil
		}),
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "plan file, to test the rights on what it moves")
	return cmd
}

// planOf reads a plan file without asking the clusters; nil for none.
func planOf(file string) (*plan.Plan, error) {
	if file == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, usage(fmt.Errorf("read the plan: %w", err))
	}
	p, err := plan.Parse(raw)
	return p, refusedPlan(file, err)
}

// checkup looks at every cluster. The error joins what is wrong with them.
func (a *app) checkup(ctx context.Context, p *plan.Plan) (*checkup, error) {
	cfg, err := a.config()
	if err != nil {
		return nil, err
	}
	found := &checkup{Privileges: privileges()}
	var errs []error
	for _, name := range cfg.Names() {
		d := diagnosis{Cluster: name, Rights: []right{}}
		if name == cfg.Control {
			d.Role = controlCluster
		}
		err := a.diagnose(ctx, &d, testsOf(cfg, name, p))
		if err != nil {
			d.Problem = err.Error()
		}
		found.Clusters = append(found.Clusters, d)
		errs = append(errs, err, d.lacking())
	}
	return found, errors.Join(errs...)
}

// diagnose fills in what a cluster answers. The error is what is wrong with it,
// but for rights.
func (a *app) diagnose(ctx context.Context, d *diagnosis, t tests) error {
	c, err := a.cluster(ctx, d.Cluster)
	if err != nil {
		return err
	}
	d.ID = c.ID()
	brokers, _, err := c.Brokers(ctx)
	d.Brokers = len(brokers)
	if err != nil {
		return err
	}
	rights, err := asker{c}.test(ctx, t)
	d.Rights = append(d.Rights, rights...)
	if d.Role == controlCluster {
		err = errors.Join(err, fit(ctx, c))
	}
	return err
}

// fit checks the control topics; those that are missing are told together.
func fit(ctx context.Context, c *cluster.Client) error {
	report, err := log.Check(ctx, c)
	if !errors.Is(err, log.ErrUnfit) {
		return err
	}
	var missing, rest []string
	for _, t := range report.Topics {
		for _, p := range t.Problems {
			if p.Have == "missing" {
				missing = append(missing, t.Name)
			} else {
				rest = append(rest, p.String())
			}
		}
	}
	if len(missing) > 0 {
		rest = append(rest, strings.Join(missing, ", ")+": missing: run portage init")
	}
	return errors.New(strings.Join(rest, "; "))
}

// lacking is an error when rights are missing.
func (d diagnosis) lacking() error {
	for _, r := range d.Rights {
		if r.Result == rightMissing {
			return cluster.ErrUnauthorized
		}
	}
	return nil
}

// printCheckup shows clusters, then the rights that are not simply there, then the
// list of privileges.
func (a *app) printCheckup(found *checkup, planned bool) error {
	if a.flags.output != "table" {
		return a.printRows(found)
	}
	clusters := &table{head: []string{"CLUSTER", "ID", "BROKERS", "ROLE", "PROBLEM"}}
	rights := &table{head: []string{"CLUSTER", "RESOURCE", "RIGHTS", "DETAIL"}}
	count := make(map[string]int)
	for _, d := range found.Clusters {
		clusters.add(d.Cluster, d.ID, fmt.Sprint(d.Brokers), d.Role, d.Problem)
		for _, r := range d.Rights {
			count[r.Result]++
			if r.Result == rightMissing || r.Result == rightUnknown {
				rights.add(r.Cluster, r.Resource, strings.Join(append([]string{r.Result}, r.Missing...), " "), r.Detail)
			}
		}
	}
	clusters.note = countedRights(count, planned)
	rights.note = privilegesText()
	return errors.Join(a.print(clusters), a.print(rights))
}

// countedRights sums the tests of rights up.
func countedRights(count map[string]int, planned bool) string {
	out := fmt.Sprintf("\nrights: all that is needed is allowed on %d resources", count[rightAllowed])
	if n := count[rightCreatable]; n > 0 {
		out += fmt.Sprintf(", %d topics are not there yet and may be created", n)
	}
	if n := count[rightMissing]; n > 0 {
		out += fmt.Sprintf(", some are missing on %d", n)
	}
	if n := count[rightUnknown]; n > 0 {
		out += fmt.Sprintf(", %d cannot be told", n)
	}
	if !planned {
		out += "; with -f PLAN they are tested on what the plan moves"
	}
	return out
}
