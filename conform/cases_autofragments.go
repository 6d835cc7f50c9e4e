package conform

// Section 10.
func autoFragmentation() []Case { return nil }
