// prepare.h: settings of the process that the loops of this folder are fastest with.
#pragma once

namespace facet::train::cpu {

// Calls at::set_num_threads for the calling thread, and keeps freed memory mapped: a step frees and allocates the same
// few hundred megabytes of activations, and giving them back to the system each time costs 4 % in page faults.
void prepare(int n_threads);

}  // namespace facet::train::cpu
