// distributed.h: what the processes of one run say to each other.  c10d underneath: Gloo on CPUs, NCCL on GPUs.
#pragma once

#include "train/torch.h"

#include <memory>
#include <string>
#include <vector>

#include "facet/status.h"

namespace facet::train {

// The usual environment: RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT.
struct ProcessPlace {
  int rank = 0, world_size = 1;
  std::string master_address = "127.0.0.1";
  int master_port = 29500;
};
// WORLD_SIZE absent: one process.  kInvalidArgument names the variable that is wrong or missing.
Result<ProcessPlace> place_from_environment();

// Every process calls the same functions in the same order.  A lost peer is kInternal, after a time-out at the latest.
// One process: all calls return at once and nothing is opened.
class Collectives {
 public:
  // Waits until all processes have come.
  static Result<std::unique_ptr<Collectives>> connect(const ProcessPlace& place, torch::Device device);
  virtual ~Collectives() = default;
  virtual int rank() const = 0;
  virtual int world_size() const = 0;
  // In place; all processes end with the same bits.  Many tensors of one type travel in few messages.
  virtual Status all_reduce_sum(std::vector<torch::Tensor> tensors) = 0;
  virtual Status broadcast(std::vector<torch::Tensor> tensors) = 0;  // from rank 0
  bool is_first() const { return rank() == 0; }
};

}  // namespace facet::train
