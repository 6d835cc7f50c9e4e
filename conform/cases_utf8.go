package conform

// Section 6.
func utf8Cases() []Case { return nil }
