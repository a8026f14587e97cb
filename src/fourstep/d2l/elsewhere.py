"""Names that a reader may ask for and that are not here: where the book defines them, or what to use instead."""

import difflib
from collections.abc import Collection

_SECTIONS = {
    "9.5": "read_data_nmt preprocess_nmt tokenize_nmt show_list_len_pair_hist truncate_pad build_array_nmt "
    "load_data_nmt",
    "9.6": "Encoder Decoder EncoderDecoder",
    "9.7": "Seq2SeqEncoder sequence_mask MaskedSoftmaxCELoss train_seq2seq predict_seq2seq bleu",
    "10.1": "show_heatmaps",
    "10.3": "masked_softmax AdditiveAttention DotProductAttention",
    "10.4": "AttentionDecoder",
    "10.5": "MultiHeadAttention transpose_qkv transpose_output",
    "10.6": "PositionalEncoding",
    "10.7": "PositionWiseFFN AddNorm EncoderBlock TransformerEncoder",
    "13.3": "box_corner_to_center box_center_to_corner bbox_to_rect",
    "13.4": "multibox_prior show_bboxes box_iou assign_anchor_to_bbox offset_boxes multibox_target offset_inverse nms "
    "multibox_detection",
    "13.6": "read_data_bananas BananasDataset load_data_bananas",
    "13.9": "VOC_COLORMAP VOC_CLASSES read_voc_images voc_colormap2label voc_label_indices voc_rand_crop VOCSegDataset "
    "load_data_voc",
    "13.13": "read_csv_labels copyfile reorg_train_valid reorg_test",
    "14.3": "read_ptb subsample get_centers_and_contexts RandomGenerator get_negatives batchify load_data_ptb",
    "14.7": "TokenEmbedding",
    "14.8": "get_tokens_and_segments BERTEncoder MaskLM NextSentencePred BERTModel",
    "14.9": "load_data_wiki",
    "15.1": "read_imdb load_data_imdb",
    "15.2": "predict_sentiment",
    "15.4": "read_snli SNLIDataset load_data_snli",
    "15.5": "predict_snli",
}
_SECTION_OF = {name: section for section, names in _SECTIONS.items() for name in names.split()}

_INSTEAD = {  # names of the package's version 1.0, whose trainer is an object
    "Trainer": "fs.fit(model, data, loss_fn, optimizer, epochs=10), or your own loop over fs.Run",
    "Module": "an nn.Module; the loss and the optimizer are arguments of fs.fit",
    "Classifier": "an nn.Module, and metrics={'accuracy': fs.accuracy} in fs.fit",
    "DataModule": "fs.data.from_arrays(features, labels, batch_size=...), or any iterable of (inputs, targets)",
    "HyperParameters": "plain arguments, kept by self.name = name",
    "ProgressBoard": "d2l.Animator",
    "add_to_class": "a method that stands in its class",
    "SGD": "torch.optim.SGD, or d2l.sgd",
    "SyntheticRegressionData": "d2l.synthetic_data",
    "LinearRegression": "fs.models.LinearRegression",
    "LinearRegressionScratch": "d2l.linreg, d2l.squared_loss and d2l.sgd",
    "SoftmaxRegression": "fs.models.SoftmaxRegression",
    "FashionMNIST": "d2l.load_data_fashion_mnist, or fs.data.fashion_mnist",
    "LeNet": "fs.models.LeNet",
    "ResNeXtBlock": "a module of your own",
    "TimeMachine": "d2l.load_data_time_machine",
    "RNNScratch": "d2l.RNNModelScratch",
    "RNN": "nn.RNN in d2l.RNNModel",
    "RNNLM": "d2l.RNNModel",
    "RNNLMScratch": "d2l.RNNModelScratch",
    "cpu": "torch.device('cpu')",
    "gpu": "d2l.try_gpu",
    "num_gpus": "torch.cuda.device_count()",
    "init_cnn": "the net's own start; d2l.train_ch6 starts layers again as the book has it",
    "extract": "d2l.download_extract",
    "int64": "torch.int64",
    "ones_like": "torch.ones_like",
}


def explain(name: str, here: Collection[str]) -> str:
    """What to say of a name that is not here: where it is, or the nearest name, here or elsewhere.

    Args:
        name: that was asked for.
        here: the names that there are.
    """
    if known := _hint(name):
        return known
    near = difflib.get_close_matches(name, [*here, *_SECTION_OF, *_INSTEAD], n=1, cutoff=0.6)
    if not near:
        return f"unknown name in fourstep.d2l {name!r}: dir(d2l) lists those that there are"
    return f"unknown name in fourstep.d2l {name!r}: did you mean {near[0]!r}? {_hint(near[0])}".rstrip()


def _hint(name: str) -> str:
    if name in _SECTION_OF:
        return (
            f"{name!r} is defined by the book in section {_SECTION_OF[name]}: run that section's cell. fourstep.d2l "
            "carries chapters 3 to 8, 11, 12, and 13.1 and 13.2"
        )
    if name in _INSTEAD:
        return f"{name!r} is a name of d2l 1.0, whose functions differ. Here it is {_INSTEAD[name]}"
    return ""
