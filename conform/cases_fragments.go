package conform

// Section 5.
func fragmentation() []Case { return nil }
