#ifndef SLUICE_TESTS_UNIT_JOBS_PARSED_STREAM_H_
#define SLUICE_TESTS_UNIT_JOBS_PARSED_STREAM_H_

#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "pipeline/async/async_generator.h"
#include "sluice/v1/event.pb.h"

namespace sluice {

// What a client makes of EventStream: pulls a message when it is pulled itself.
inline AsyncGenerator<v1::EventBatch> Parsed(AsyncGenerator<std::string> messages) {
  while (auto bytes = co_await messages.Next()) {
    v1::EventBatch batch;
    EXPECT_TRUE(batch.ParseFromString(*bytes));
    EXPECT_EQ(batch.SerializeAsString(), *bytes) << "fields out of order";
    co_yield std::move(batch);
  }
}

}  // namespace sluice

#endif  // SLUICE_TESTS_UNIT_JOBS_PARSED_STREAM_H_
