package remora

// Weight measures the work that a transaction, a batch or a block is.
type Weight uint64

// Bounds of a block's weight and of what may wait for execution, and what chains use unless their genesis says otherwise.
const (
	MinBlockWeight     = 1 << 22
	DefaultBlockWeight = 1 << 26
	MaxBlockWeight     = 1 << 28

	MinQueueBytes     = 1 << 20
	DefaultQueueBytes = 32 << 20
	MaxQueueBytes     = 256 << 20
)

// WeighTx returns the weight of a transaction.
func WeighTx(raw []byte) Weight { return Weight(max(len(raw)+batchTxOverhead, txFloor)) }
