package e2e

func clauses5() []clause { return nil }
