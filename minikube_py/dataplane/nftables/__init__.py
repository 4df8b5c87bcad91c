"""nftables, programmed over nfnetlink without the nft program: the kernel data plane, and the mark that transparent
sockets need."""
