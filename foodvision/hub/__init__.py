"""The Hugging Face Hub: checkpoints are pulled from it and pushed to it."""
