"""What the page is sent: state, HTML, the doctor's findings, and the routes beyond the chat."""
