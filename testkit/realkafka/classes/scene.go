package classes

import (
	"context"
	"fmt"

	"github.com/portage-kafka/portage/testkit/realkafka"
)

// Scene is a partition of a source, written in a way of its own.
type Scene struct {
	Name  string
	About string // what it shows, in one line
	// Versions are the sources on which it can be made.
	Versions []string
	// Source and Target configure the topics, besides what every copy needs.
	Source, Target map[string]string
	Limits
	// Stops says that the copy cannot go on to the end, and a part of the reason that people are told; Code is the error
	// code of the target that says so, 0 if portage finds it out by itself.
	Stops string
	Code  int16

	pages []ask
	write func(context.Context, Topic) error
}

// ask is one fetch whose answer is kept.
type ask struct {
	from     int64
	maxBytes int32
}

// asks are the fetches of a scene; one of everything if it names none.
func (s Scene) asks() []ask {
	if s.pages == nil {
		return []ask{{0, 1 << 20}}
	}
	return s.pages
}

// GoldenName is the name of the scene's golden of the page with a number, counted from 0.
func (s Scene) GoldenName(page int) string {
	if len(s.asks()) == 1 {
		return s.Name
	}
	return fmt.Sprintf("%s-%d", s.Name, page+1)
}

// Sources are the versions from which portage is proven to copy.
func Sources() []string { return []string{realkafka.Oldest, realkafka.Source} }

// Scenes are all scenes that can be made on a version.
func Scenes(version string) (all []Scene) {
	for _, part := range [][]Scene{plainScenes(), javaScenes(), sizeScenes(), pageScenes(), cleanedScenes(), transactionScenes(), refusedScenes(), oldScenes()} {
		for _, s := range part {
			for _, v := range s.Versions {
				if v == version {
					all = append(all, s)
				}
			}
		}
	}
	return all
}
