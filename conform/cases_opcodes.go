package conform

// Section 4.
func opcodes() []Case { return nil }
