package conform

// Section 1: messages come back as they were sent.
func messages() []Case {
	return []Case{
		{ID: "1.1.1", Title: "an empty text message", Spec: "RFC 6455, 5.6", Rule: "a message may be empty",
			Script: script{echo(text(""))}},
	}
}
