#ifndef SLUICE_TESTS_UNIT_STAGES_APPLY_FORK_STRIDE_H_
#define SLUICE_TESTS_UNIT_STAGES_APPLY_FORK_STRIDE_H_

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SLUICE_SANITIZED
#endif
#endif

namespace sluice {

// Where a process takes long to fork, every so many calls are tried instead of each.
#ifdef SLUICE_SANITIZED
inline constexpr int kForkStride = 11;
#else
inline constexpr int kForkStride = 1;
#endif

}  // namespace sluice

#endif  // SLUICE_TESTS_UNIT_STAGES_APPLY_FORK_STRIDE_H_
