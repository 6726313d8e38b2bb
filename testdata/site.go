// Package testdata carries the site that the story publishes, so that a binary away from its sources can tell the story.
package testdata

import (
	"embed"
	"io/fs"
)

//go:embed all:site
var files embed.FS

// Site returns the files of the site by path.
func Site() fs.FS {
	site, err := fs.Sub(files, "site")
	if err != nil {
		panic("testdata: " + err.Error()) // the name is a constant
	}
	return site
}
