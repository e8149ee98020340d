"""What this process makes itself: composed images and spoken narrations."""
