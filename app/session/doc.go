// Package session keeps the books of a paid delivery: a Buyer and a Seller for one session and one cache, over the same
// rules. It has no goroutine, clock, disk or network; the shell passes in what the chain says and carries out the rest.
//
// A seller's shell asks the chain for the Deal and calls, for each Request, in this order:
//
//	err := request.CheckSession()  // may this session be served at all?
//	err = request.CheckPass()      // once per pass: does the request come from the session's key?
//	err = seller.Admit(&request)   // takes the receipt, then counts the range as outstanding
//
// and Seller.TakeBack where it does not deliver an admitted range after all. A *Refusal goes to the client; any other
// error says that the storage failed. The Storage has a receipt on disk before Admit returns.
//
// A buyer's shell calls Buyer.PlanRequest to learn what may be asked for and which Voucher goes along, signs and stores
// a voucher that is not Stored, notes the request with Buyer.SendRequest, and its end with Buyer.TakeAnswer or LoseAnswer.
// Delivered bytes go to Buyer.AddVerified once they are verified, else to Buyer.CancelBytes. After a restart it passes the
// stored entries to Buyer.Restore, oldest first.
//
// What the books promise, whatever is lost, repeated or reordered, and wherever either side is killed:
//
//   - Of two receipts for the same cache and epoch that left a buyer, one extends the other.
//   - A seller never has more unacknowledged bytes outstanding than the Window.
//   - A verified byte is acknowledged in one receipt at most. It is in none only if the seller closed the epoch of its
//     receipt, or the buyer was killed before it stored one; the seller counts it as forgiven or lost.
package session
