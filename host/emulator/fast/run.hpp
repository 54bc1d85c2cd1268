#pragma once

#include <vector>

#include "engine.hpp"

namespace accllm::emulator::fast {

/// One run on `engine`.
Outcome run_on(Engine& engine, const Invocation& call);

/// The first of the runs on `engine`, and at once with it those behind it with which that comes to the same
/// as one after the other: the blocks of a prompt that are under way together, for which panels are unpacked
/// once.
/// \return how these ended, in order; at least one
std::vector<Outcome> run_on(Engine& engine, const std::vector<const Invocation*>& calls);

}  // namespace accllm::emulator::fast
