// Proves that an outside project can include, link and run what `cmake --install` put down.
#include "pipeline/async/async_generator.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/async/task.h"
#include "sluice/v1/job.pb.h"

namespace {

sluice::AsyncGenerator<int> Numbers(int last) {
  for (int i = 1; i <= last; ++i) co_yield i;
}

sluice::Task<int> Sum(sluice::AsyncGenerator<int> source) {
  int sum = 0;
  while (auto number = co_await source.Next()) sum += *number;
  co_return sum;
}

}  // namespace

int main() {
  sluice::v1::JobSpec spec;
  spec.mutable_scan()->add_roots("/");
  return sluice::SyncWait(Sum(Numbers(4))) == 10 && spec.IsInitialized() ? 0 : 1;
}
