#ifndef SLUICE_PIPELINE_OPS_ABANDON_CHANNEL_ON_EXIT_H_
#define SLUICE_PIPELINE_OPS_ABANDON_CHANNEL_ON_EXIT_H_

#include "pipeline/async/channel.h"

namespace sluice::internal {

// Held by a generator that receives from a channel: whoever sends learns when it ends or is
// dropped. Lifetime: the channel outlives it.
template <typename T>
class AbandonChannelOnExit final {
 public:
  explicit AbandonChannelOnExit(Channel<T>& channel) : channel_(channel) {}
  AbandonChannelOnExit(const AbandonChannelOnExit&) = delete;
  AbandonChannelOnExit& operator=(const AbandonChannelOnExit&) = delete;
  ~AbandonChannelOnExit() { channel_.Abandon(); }

 private:
  Channel<T>& channel_;
};

}  // namespace sluice::internal

#endif  // SLUICE_PIPELINE_OPS_ABANDON_CHANNEL_ON_EXIT_H_
