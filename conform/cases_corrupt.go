package conform

// Section 14.
func compressedWrong() []Case { return nil }
