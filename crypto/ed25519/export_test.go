package ed25519

// VerifyTogether verifies items in one equation.
var VerifyTogether = verifyTogether
