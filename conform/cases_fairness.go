package conform

// Section 16.
func fairness() []Case { return nil }
