package config

import (
	"errors"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// How the decoder words what it refuses.
var (
	unknownKey = regexp.MustCompile(`field (.+) not found in type \S+$`)
	wrongType  = regexp.MustCompile("(?s)cannot unmarshal \\S+(?: `(.*)`)? into (\\S+)$")
)

// inWords says what is wrong with a file in its own terms, a line each, instead
// of in Go's types.
func inWords(err error) error {
	var wrong *yaml.TypeError
	if !errors.As(err, &wrong) {
		return errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	lines := make([]string, len(wrong.Errors))
	for i, line := range wrong.Errors {
		line = unknownKey.ReplaceAllString(line, "$1: unknown key: remove it, or mend its spelling")
		if at := wrongType.FindStringSubmatch(line); at != nil {
			line = strings.TrimSuffix(line, at[0]) + quoted(at[1]) + "cannot be read: write " + wanted(at[2])
		}
		lines[i] = line
	}
	return errors.New(strings.Join(lines, "\n"))
}

func quoted(value string) string {
	if value == "" {
		return ""
	}
	return "`" + value + "` "
}

// wanted says in words what the decoder's types are in a configuration.
func wanted(goType string) string {
	switch goType {
	case "string":
		return "text"
	case "bool":
		return "true or false"
	case "time.Duration":
		return "a duration with a unit, such as 5s"
	case "[]string":
		return "a list, such as [kafka-1:9092, kafka-2:9092]"
	case "map[string]config.Cluster":
		return "the clusters by their names, such as {old: {bootstrap: [kafka-1:9092]}}"
	case "config.Config":
		return "keys and values, such as control: new"
	}
	return "keys and values, such as {key: value}"
}
