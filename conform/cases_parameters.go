package conform

// Section 13.
func compressedParameters() []Case { return nil }
