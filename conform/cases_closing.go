package conform

// Section 7.
func closings() []Case { return nil }
