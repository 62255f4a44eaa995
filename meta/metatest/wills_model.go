package metatest

import "testing"

func willsModel(t *testing.T, b *Backend) {}
