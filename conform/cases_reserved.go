package conform

// Section 3.
func reservedBits() []Case { return nil }
