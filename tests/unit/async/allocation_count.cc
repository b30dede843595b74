#include "tests/unit/async/allocation_count.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SLUICE_SANITIZED_ALLOCATOR
#include <sanitizer/allocator_interface.h>
#endif
#endif

namespace sluice {
namespace {

std::atomic<std::uint64_t> allocations = 0;

#ifdef SLUICE_SANITIZED_ALLOCATOR
[[maybe_unused]] const int kHooked = __sanitizer_install_malloc_and_free_hooks(
    [](const volatile void*, std::size_t) { allocations.fetch_add(1, std::memory_order_relaxed); },
    [](const volatile void*) {});
#endif

}  // namespace

std::uint64_t AllocationCount() { return allocations.load(std::memory_order_relaxed); }

}  // namespace sluice

#ifndef SLUICE_SANITIZED_ALLOCATOR
void* operator new(std::size_t size) {
  sluice::allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}

void operator delete(void* memory) noexcept { std::free(memory); }

void operator delete(void* memory, std::size_t /*size*/) noexcept { std::free(memory); }
#endif
