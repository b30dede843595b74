// Proves that an outside project can include, link and run what `cmake --install` put down.
#include "client/client.h"
#include "pipeline/async/async_generator.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/async/task.h"

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
  // Nobody listens there: that the call fails, and how, says that the whole library works.
  sluice::ThreadPool executor(1);
  sluice::Client client("unix:/nonexistent/sluiced.sock", executor);
  try {
    sluice::SyncWait(client.GetServerInfo());
    return 1;
  } catch (const sluice::StatusError& error) {
    if (!absl::IsUnavailable(error.status())) return 1;
  }
  return sluice::SyncWait(Sum(Numbers(4))) == 10 ? 0 : 1;
}
