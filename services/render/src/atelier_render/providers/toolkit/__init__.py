"""What several providers share: HTTP, file checks, image sizes, and calls side by side."""
