package site

// Broadcast are the settings of the handler broadcast.
type Broadcast struct {
	Echo     Setting[bool] // the sender gets its own messages too
	Announce Setting[bool] // the others are told who joins and leaves
}

func (b *Broadcast) fields() []field {
	return []field{
		{name: "echo", to: boolean(&b.Echo), def: `true`,
			doc: "The sender of a message gets it too, in its place among those of others."},
		{name: "announce", to: boolean(&b.Announce), def: `false`,
			doc: "The others in the room are told who comes and goes, by a text such as `{\"event\":\"join\",\"id\":\"…\",\"count\":3}`, or `\"leave\"`: " +
				"the id is one connection's, the count is how many are in the room from then on."},
	}
}
