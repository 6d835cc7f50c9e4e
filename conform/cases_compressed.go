package conform

// Section 12.
func compressedPayloads() []Case { return nil }
