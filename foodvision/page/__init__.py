"""What the Gradio page and the page without a server share."""
