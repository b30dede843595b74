"""What the end-to-end tests share: servers, clients, trees, and an oracle of their own."""
