"""Read one machine: processors, memory, storage, limits (no Ansible, takes a root directory)."""
