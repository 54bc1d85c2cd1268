#pragma once
#include <cstdint>

namespace accllm::quant {

/**
 * KL(softmax(teacher) || softmax(student)) of one token, in nats.
 * @param tokens where not 0, the student's logits become the gradient of the mean over so many tokens by
 * them.
 * @param scratch room for `width` numbers.
 */
double tokenDivergence(float* student, const float* teacher, int64_t width, int64_t tokens, float* scratch);

}  // namespace accllm::quant
