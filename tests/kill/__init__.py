"""The proof that the ledger keeps its promise: real daemons are killed, the simulator is the independent witness."""
