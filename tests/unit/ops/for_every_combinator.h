#ifndef SLUICE_TESTS_UNIT_OPS_FOR_EVERY_COMBINATOR_H_
#define SLUICE_TESTS_UNIT_OPS_FOR_EVERY_COMBINATOR_H_

#include <functional>

#include "gtest/gtest.h"

#include "tests/unit/ops/every_combinator.h"
#include "tests/unit/ops/rig.h"

namespace sluice {

// For tests that are loops over the table. One test a promise, and not one a row: a thousand
// processes would take longer than what they prove.
class EveryCombinatorTest : public testing::Test {
 protected:
  // Runs `body` for each row and each kind of source, until one fails; the failure names them.
  void ForEveryCombinator(const std::function<void()>& body) {
    for (const Combinator& row : EveryCombinator()) {
      for (const Readiness readiness : kEveryReadiness) {
        SCOPED_TRACE(testing::Message() << row.name << ", items " << NameOf(readiness));
        combinator_ = &row;
        readiness_ = readiness;
        body();
        if (HasFailure()) return;
      }
    }
  }

  // Of the present turn.
  const Combinator& combinator() const { return *combinator_; }
  Readiness readiness() const { return readiness_; }

 private:
  const Combinator* combinator_ = nullptr;
  Readiness readiness_ = Readiness::kAtOnce;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_UNIT_OPS_FOR_EVERY_COMBINATOR_H_
