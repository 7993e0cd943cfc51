"""The machine and the process: command line, files, network, memory, device, processes and signals."""
