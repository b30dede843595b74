#ifndef SLUICE_TESTS_UNIT_ASYNC_ALLOCATION_COUNT_H_
#define SLUICE_TESTS_UNIT_ASYNC_ALLOCATION_COUNT_H_

#include <cstdint>

namespace sluice {

// How many times all threads of this program have allocated memory. The .cc file replaces operator
// new, or listens to the allocator of the sanitizer that the program was built with.
std::uint64_t AllocationCount();

}  // namespace sluice

#endif  // SLUICE_TESTS_UNIT_ASYNC_ALLOCATION_COUNT_H_
