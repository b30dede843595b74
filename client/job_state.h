#ifndef SLUICE_CLIENT_JOB_STATE_H_
#define SLUICE_CLIENT_JOB_STATE_H_

#include "sluice/v1/job.pb.h"

namespace sluice {

// Whether a job has come to its final state.
inline bool HasEnded(const v1::Job& job) {
  return job.state() == v1::JOB_STATE_SUCCEEDED || job.state() == v1::JOB_STATE_FAILED ||
         job.state() == v1::JOB_STATE_CANCELLED;
}

}  // namespace sluice

#endif  // SLUICE_CLIENT_JOB_STATE_H_
