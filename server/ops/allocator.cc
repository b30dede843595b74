// The settings of jemalloc, which reads them before main by this very name.
//
// Here memory is asked for by one thread and freed by another all the time (an event on its way
// from a disk to a client): the arenas of the C library are then locked for each, a sixth of a
// dedupe of small files. One arena serves as fast as two, as each thread has a cache of small
// objects; it and large caches are what makes a process big, and free pages are given back soon: by
// whoever allocates, and by a thread of jemalloc's own while nobody does.

extern "C" {
extern const char* malloc_conf;
const char* malloc_conf =
    "narenas:1,lg_tcache_max:12,dirty_decay_ms:200,muzzy_decay_ms:0,"
    "background_thread:true,max_background_threads:1";
}
