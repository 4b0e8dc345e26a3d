"""What maintainers run: `make deps` writes the stages' dependencies into dvc.yaml."""
