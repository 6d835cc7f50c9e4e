// Package floors holds the rules of this repository that a compiler does not
// know, as tests: who may import whom, what the public face may grow to, and
// how files are written. Each failure says the reason of its rule. Whoever needs
// an exception changes the rule here, in the same commit, with the reason.
package floors
