#ifndef SLUICE_TESTS_UNIT_ASYNC_SMALL_STACK_H_
#define SLUICE_TESTS_UNIT_ASYNC_SMALL_STACK_H_

#include <pthread.h>

#include <cstddef>
#include <functional>

#include "gtest/gtest.h"

namespace sluice {

// Runs `body` on a thread whose stack is so small that one frame an item would not fit.
inline void RunOnSmallStack(std::function<void()> body) {
  constexpr std::size_t kStackBytes = 512 * 1024;
  pthread_attr_t attributes;
  ASSERT_EQ(pthread_attr_init(&attributes), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, kStackBytes), 0);
  const auto run = [](void* argument) -> void* {
    (*static_cast<std::function<void()>*>(argument))();
    return nullptr;
  };
  pthread_t thread;
  ASSERT_EQ(pthread_create(&thread, &attributes, run, &body), 0);
  EXPECT_EQ(pthread_join(thread, nullptr), 0);
  EXPECT_EQ(pthread_attr_destroy(&attributes), 0);
}

}  // namespace sluice

#endif  // SLUICE_TESTS_UNIT_ASYNC_SMALL_STACK_H_
