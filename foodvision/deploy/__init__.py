"""A model becomes a running page: a Gradio Space of the Hugging Face Hub."""
