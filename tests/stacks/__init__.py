"""One suite for all releases of Llama Stack and OGX, each as a server, and one inside our process."""
