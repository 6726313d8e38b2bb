package exec

// FirstStep is the number of statements of a list that are verified whatever they are.
const FirstStep = firstStep

// Primed returns the number of verdicts that are known ahead.
func (v *Verifier) Primed() int { return len(v.primed) }
